"""The processes that run tests: the zygote that collects and forks, its children, and their pool."""
