package eventlog

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// State calls fn for every key of the state, ordered by space and key: what a
// start-up reads. Key and value are good only during the call.
func (l *Log) State(fn func(space orgcast.Space, key, value []byte) error) error {
	if !l.enter() {
		return ErrClosed
	}
	defer l.readers.Done()
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixState}, UpperBound: []byte{prefixState + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		key := it.Key()
		if len(key) < 2 {
			err = fmt.Errorf("%w: state key without a space", errDamaged)
			break
		}
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err = fn(orgcast.Space(key[1]), key[2:], v)
		}
	}
	return errors.Join(err, it.Close())
}

func putState(b *pebble.Batch, c orgcast.StateChange) error {
	switch {
	case c.Prefix:
		key := appendStateKey(nil, c.Space, c.Key)
		return b.DeleteRange(key, prefixEnd(key), nil)
	case c.Value == nil:
		op := b.DeleteDeferred(2 + len(c.Key))
		appendStateKey(op.Key[:0], c.Space, c.Key)
		return op.Finish()
	}
	op := b.SetDeferred(2+len(c.Key), len(c.Value))
	appendStateKey(op.Key[:0], c.Space, c.Key)
	copy(op.Value, c.Value)
	return op.Finish()
}
