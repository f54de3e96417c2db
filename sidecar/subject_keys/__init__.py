"""A key for each person, for applications to encrypt with what they keep of them: destroyed, old copies are unreadable.

``SubjectKeys`` is the library; ``api`` offers it on the admin listener; ``targets.subject_keys`` has erasures destroy.
"""
