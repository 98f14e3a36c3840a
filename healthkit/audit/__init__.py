"""`healthkit audit`: what in this app could break without anyone noticing.

It reads the project's own files, and builds the app in a process of its own to see what is really there.
`rules.table` lists what it looks for.
"""
