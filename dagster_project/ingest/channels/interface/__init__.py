"""How an interface of JSON answers is read: ``http_api`` puts these together.

``client`` asks and asks again, ``answer`` finds the records in an answer, ``paging`` says what to
ask next, ``draft`` keeps what came until all of it is there.
"""
