"""Programs that the peers run: the same work in the words of each. Nothing else imports them."""
