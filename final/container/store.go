//go:build linux

package container

// A Store is where the state of containers is, and what goes with it.
type Store struct {
	// Root is the directory of all state, by its absolute path.
	Root string
	// Warn is told in one line of what is no failure. Nil does not want to know.
	Warn func(message string)
	// Release removes what somebody else keeps for a container, as an engine does: see Request.Prepare. The container is locked, and its
	// state is removed next. Nil removes nothing.
	Release func(root, id string) error
}

func (s *Store) warn(message string) {
	if s.Warn != nil {
		s.Warn(message)
	}
}
