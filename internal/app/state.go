package app

import "github.com/oikion/orgcast"

// state is what a transaction's state goes to, in order.
type state []interface {
	Apply([]orgcast.StateChange) error
}

// Apply applies what a transaction changed.
func (s state) Apply(changes []orgcast.StateChange) error {
	for _, part := range s {
		if err := part.Apply(changes); err != nil {
			return err
		}
	}
	return nil
}
