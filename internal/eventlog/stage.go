package eventlog

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// The state of a transaction that comes in parts is staged: it lies under keys of
// its own, in order, until the last part puts the mark beside the position. From
// then on it counts, and is promoted: moved to where state lies, one bounded batch
// after the other, each removing what it moved. A kill before the mark leaves what
// Open removes; one after it, what Open goes on to promote. So a transaction's
// state is known whole or not at all, and never in memory as a whole.

// promoteBatch bounds a batch of the promotion, in bytes.
const promoteBatch = 256 << 10

// What a staged change does.
const (
	stagedUnset byte = iota
	stagedSet
	stagedPrefix
)

func stagedValueLen(c *orgcast.StateChange) int {
	n := 2 + stringLen(c.Key)
	if !c.Prefix {
		n += len(c.Value)
	}
	return n
}

// appendStagedValue appends what is stored of a staged change: what it does, its
// space, its key led by its length, and its value.
func appendStagedValue(b []byte, c *orgcast.StateChange) []byte {
	does, value := stagedSet, c.Value
	switch {
	case c.Prefix:
		does, value = stagedPrefix, nil
	case value == nil:
		does = stagedUnset
	}
	b = appendString(append(b, does, byte(c.Space)), c.Key)
	return append(b, value...)
}

// decodeStagedValue is the inverse. Key and value point into v.
func decodeStagedValue(v []byte) (c orgcast.StateChange, ok bool) {
	if len(v) < 2 {
		return c, false
	}
	does := v[0]
	c.Space = orgcast.Space(v[1])
	c.Key, v, ok = cutString(v[2:])
	switch {
	case !ok:
	case does == stagedSet:
		c.Value = v
	case len(v) > 0 || does > stagedPrefix:
		return c, false
	default:
		c.Prefix = does == stagedPrefix
	}
	return c, ok
}

// promote makes the state what is staged. The mark is set. write is given each
// batch, and has it.
func (l *Log) promote(write func(*pebble.Batch) error) error {
	for from, more := appendStagedKey(nil, 0), true; more; {
		b := l.db.NewBatch()
		next, err := l.promoteSome(b, from)
		if err != nil {
			return errors.Join(err, b.Close())
		}
		from, more = next, next != nil
		if err := write(b); err != nil {
			return err
		}
	}
	return nil
}

// promoteSome fills a batch with what is staged from a key on, and returns where
// the next one begins; nil if that was all, and the mark goes with it.
func (l *Log) promoteSome(b *pebble.Batch, from []byte) (next []byte, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: keyEnd})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if b.Len() >= promoteBatch {
			next = append(next, it.Key()...)
			return next, b.DeleteRange(from, next, nil)
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		c, ok := decodeStagedValue(v)
		if !ok {
			return nil, fmt.Errorf("%w: malformed staged state", errDamaged)
		}
		if err := putState(b, c); err != nil {
			return nil, err
		}
	}
	if err := it.Error(); err != nil {
		return nil, err
	}
	return nil, b.DeleteRange(keyStaged, keyEnd, nil) // the mark too
}

// finishStaged does at Open what a kill left undone.
func (l *Log) finishStaged() error {
	if _, marked, err := l.get(keyStaged); err != nil || marked {
		if err != nil {
			return err
		}
		return l.promote(l.commit)
	}
	return l.unstage()
}

// unstage removes what is staged of a transaction that got no last part.
func (l *Log) unstage() error {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: keyStaged, UpperBound: keyEnd})
	if err != nil {
		return err
	}
	some := it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil || !some {
		return err
	}
	b := l.db.NewBatch()
	if err := b.DeleteRange(keyStaged, keyEnd, nil); err != nil {
		return errors.Join(err, b.Close())
	}
	return l.commit(b)
}
