"""Where lanes run: a module an engine. Each writes records as lanes are done."""
