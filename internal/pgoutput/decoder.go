package pgoutput

import "github.com/oikion/orgcast"

// Message is one decoded frame. It and its Change are reused: they are good
// until the next Decode, and only as long as the frame is left alone.
type Message struct {
	Kind Kind
	// Transaction is that of a Begin (EndLSN is not known yet) or of a Commit
	// (whole); zero in all other messages.
	Transaction orgcast.Transaction
	// Change is that of an insert, update, delete, truncate or message; nil in
	// all other messages. Its ordinal counts the changes of the transaction; a
	// message that is not transactional is in none, and has 0.
	Change *orgcast.Change
	// Relation is that of a Relation message, new and immutable: it may be kept.
	Relation *orgcast.Relation
}

// Decoder decodes the frames of one replication connection, in their order. It
// keeps what the connection told so far: the relations, and the place in the
// open transaction. A new connection needs a new decoder: PostgreSQL describes
// every relation anew on it. Not for concurrent use.
type Decoder struct {
	relations map[uint32]*orgcast.Relation

	transaction orgcast.Transaction
	open        bool
	ordinal     uint64

	// Reused from frame to frame.
	message   Message
	change    orgcast.Change
	row, old  []orgcast.Value
	truncated []*orgcast.Relation
	// prefix is that of the last logical message: applications use one or two,
	// so most messages need no new string.
	prefix string

	err error
}

// NewDecoder returns a decoder for a new connection.
func NewDecoder() *Decoder {
	return &Decoder{
		relations: make(map[uint32]*orgcast.Relation),
		// Not nil, so that a row of a table without columns is one, too.
		row: make([]orgcast.Value, 0, 32),
		old: make([]orgcast.Value, 0, 32),
	}
}

// Decode decodes one frame: the body of one XLogData message, without its
// 25-byte header. The texts and the content of what it returns alias frame.
//
// Its error is a [*DecodeError], and final: every later call returns it again.
func (d *Decoder) Decode(frame []byte) (*Message, error) {
	if d.err != nil {
		return nil, d.err
	}
	r := reader{frame: frame}
	kind := Kind(r.uint8())
	d.message = Message{Kind: kind}
	d.change = orgcast.Change{}
	switch kind {
	case KindInsert, KindUpdate, KindDelete:
		d.decodeRow(&r, kind)
	case KindBegin:
		d.decodeBegin(&r)
	case KindCommit:
		d.decodeCommit(&r)
	case KindRelation:
		d.decodeRelation(&r)
	case KindTruncate:
		d.decodeTruncate(&r)
	case KindMessage:
		d.decodeMessage(&r)
	case KindOrigin:
		r.lsn()
		r.text()
		r.end()
	case KindType:
		// Its OID comes again with each column; the name alone does not say
		// what kind of type it is, so nobody needs it kept.
		r.uint32()
		r.text()
		r.text()
		r.end()
	default:
		r.fail(0, ErrUnknownKind)
	}
	if r.err != nil {
		d.err = &DecodeError{Kind: kind, Offset: r.errAt, Err: r.err}
		return nil, d.err
	}
	return &d.message, nil
}
