"""What the program prints when no screen is drawn: tables, JSON, Markdown, JUnit."""
