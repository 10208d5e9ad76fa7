"""One file per subcommand: NAME, HELP, ORDER, arguments(parser), run(options, console)."""
