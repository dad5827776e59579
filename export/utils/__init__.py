"""Files written whole, other packages kept in check, figures as text."""
