"""Why a figure moved between two sealed packages of one report.

``sealed`` finds what each package was made of, ``figures`` what moved, ``records`` which rows of
silver differ, ``changes`` puts them in an order in which one thing at a time is changed, and
``explain`` replays them one after the other. Nothing is decided or written here.
"""
