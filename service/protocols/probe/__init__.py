"""The probe protocol: an anonymous peer asks a hoster for one encoded sector and its path."""
