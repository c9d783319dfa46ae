"""One module for each command; `main.COMMANDS` names them and imports none before it is called."""
