from deia_tui.main import main

main()
