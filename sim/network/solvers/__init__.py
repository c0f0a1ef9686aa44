"""Max-min fair shares of links: one solver for each shape of network."""
