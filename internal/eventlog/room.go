package eventlog

// roomPiece is what room is counted in, in bytes, and roomPieces how many there
// are: 2 MiB may wait for their fsync, in at most 128 batches. A slow disk has them
// in memory, in blocks of Pebble's write-ahead log.
const (
	roomPiece  = 16 << 10
	roomPieces = 128
)

// room is for what waits for its fsync. It has a token for every piece taken. Only
// the writer takes, so that no two wait for what the other has.
type room chan struct{}

// pieces is what a batch of so many bytes takes: never more than there are.
func pieces(size int) int { return min(1+size/roomPiece, roomPieces) }

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
