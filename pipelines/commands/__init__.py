"""What the subcommands do, each module imported only when one of its commands runs."""
