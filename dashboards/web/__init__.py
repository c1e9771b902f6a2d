"""The built-in live page: plain files that the HTTP surface serves; nothing here runs on the server."""
