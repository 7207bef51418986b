"""What deia-tui costs and how fast it is, measured on the real program. No test: load spoils figures."""
