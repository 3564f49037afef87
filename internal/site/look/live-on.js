// make serve sends another file under this name, which says that the server has events. No other server has events.
