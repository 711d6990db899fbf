"""The compute service of the lab's cloud network: routes and networks over Google's REST API, for any client of it."""
