"""What a table of iptables does to a kind of traffic: rules read (words), boxes (traffic), chains (walk), a case."""
