"""What a site's parent may fetch: the sealed packages, and where it leaves its answers.

``shelf`` knows the packages, ``sending`` the rules of ranges and conditions, ``routes`` the
addresses. Nothing is sealed or signed here.
"""
