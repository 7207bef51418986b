"""A randomised crash test of the real program: blows at random instants under load, then verdicts on what is left.

`play` runs it, `actors` are the load, `blows` the faults, `evidence` what is found, `verdicts` what must hold. With
tasks instead of messages: `taskstorm`, `givers` of `orders` that a `labourer` does, `taskverdicts`.
"""
