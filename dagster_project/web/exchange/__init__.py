"""What a site's parent may fetch: the sealed packages, and where it leaves its answers.

``shelf`` knows the packages, ``sending`` the rules of ranges and conditions, ``routes`` the
addresses of packages, ``letters`` those of answers, corrections and keys. Nothing is sealed or
signed here.
"""
