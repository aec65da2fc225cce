"""The receiving site: its register, verification, merging into its own lake, its view.

It opens no home but its own: everything it knows of a county came in a package. Nothing here
says that the sender is a county or the receiver a city but the words; any site may have children.
"""
