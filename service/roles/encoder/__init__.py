"""The encoder: it makes a copy's sectors with a fresh key and streams them to the hoster."""
