"""The subcommands of `healthkit`, one file each; registered in `healthkit.cli`."""
