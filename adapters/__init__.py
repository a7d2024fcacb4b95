"""Everything that touches the outside: databases, tokens, wires, screens."""
