"""The receiving site: its register, verification, merging into its own lake, its view.

It opens no home but its own: everything it knows of a site came in a package. ``city`` is a name
only: any site may have children, and pass on what they sent.

One word for one thing. Packages are *brought* into a child's exchange folder by the child itself,
over a line (``arrivals``, ``pull``) or on a ``stick``. To *receive* is one look into all these
folders (``receive``): ``desk`` examines, ``verify`` and ``content`` judge one package, ``chain``
its place, ``counter`` decides, merges and answers; a refused one lies in ``quarantine``. What was
*received* stands in the ``ledger`` (``ops.received``). Files that departments deliver are none of
it: they *arrive* at ``steps.arriving``.
"""
