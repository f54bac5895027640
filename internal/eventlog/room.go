package eventlog

import "github.com/cockroachdb/pebble/v2"

// roomPiece is what room is counted in, in bytes, and roomPieces how many there
// are: 2 MiB may wait for their fsync, in at most [maxInFlight] batches. A small
// transaction takes a piece, so that for them the number is the bound; the parts of
// a large one take several, since a slow disk would have 16 of them in memory twice,
// as batches and as blocks of Pebble's write-ahead log.
const (
	roomPiece  = 128 << 10
	roomPieces = maxInFlight
)

// room is for what waits for its fsync. It has a token for every piece taken. Only
// the writer takes, so that no two wait for what the other has.
type room chan struct{}

// pieces is what a batch takes: never more than there are.
func pieces(ops *pebble.Batch) int { return min(1+ops.Len()/roomPiece, roomPieces) }

func (r room) take(pieces int) {
	for range pieces {
		r <- struct{}{}
	}
}

func (r room) give(pieces int) {
	for range pieces {
		<-r
	}
}
