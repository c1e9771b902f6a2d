"""The Faust engine: operators in the hosts of a consumer group."""
