// make serve answers with another file here, which says that the server has events. Everywhere else there is nothing live.
