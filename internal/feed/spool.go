package feed

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/oikion/orgcast"
)

// spoolMemory is how much of a transaction is held in memory, in bytes; what is
// above goes to a file.
const spoolMemory = 1 << 20

// spool holds the frames of one transaction until its commit. A frame is stored
// behind its length (4 bytes, big endian).
type spool struct {
	dir    string
	limit  int // of memory
	memory []byte
	file   *os.File
	writer *bufio.Writer
	frame  []byte // of the file, reused
}

// fits tells whether a frame would stay in memory.
func (s *spool) fits(frame []byte) bool {
	return s.file == nil && len(s.memory)+4+len(frame) <= s.limit
}

// add appends a frame.
func (s *spool) add(frame []byte) error {
	if s.fits(frame) {
		s.memory = binary.BigEndian.AppendUint32(s.memory, uint32(len(frame)))
		s.memory = append(s.memory, frame...)
		return nil
	}
	if err := s.spill(frame); err != nil {
		return noRoom(err)
	}
	return nil
}

func noRoom(err error) error {
	return orgcast.WithHint("spool transaction", err, "Make room in ORGCAST_DATA_DIR: a large transaction is kept there until it is routed.")
}

func (s *spool) spill(frame []byte) error {
	if s.file == nil {
		file, err := os.CreateTemp(s.dir, "transaction-*.spool")
		if err != nil {
			return err
		}
		s.file = file
		// Without a name it is gone with the process, however that ends.
		if err := os.Remove(file.Name()); err != nil {
			return err
		}
		s.writer = bufio.NewWriterSize(file, 256<<10)
	}
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(frame)))
	if _, err := s.writer.Write(length[:]); err != nil {
		return err
	}
	_, err := s.writer.Write(frame)
	return err
}

// each calls fn for every frame, in order. A frame is good during its call.
func (s *spool) each(fn func(frame []byte) error) error {
	for rest := s.memory; len(rest) > 0; {
		n := 4 + int(binary.BigEndian.Uint32(rest))
		if err := fn(rest[4:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if s.file == nil {
		return nil
	}
	if err := s.writer.Flush(); err != nil {
		return noRoom(err)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read spooled transaction: %w", err)
	}
	in := bufio.NewReaderSize(s.file, 256<<10)
	var length [4]byte
	for {
		switch _, err := io.ReadFull(in, length[:]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read spooled transaction: %w", err)
		}
		n := int(binary.BigEndian.Uint32(length[:]))
		if cap(s.frame) < n {
			s.frame = make([]byte, n)
		}
		if _, err := io.ReadFull(in, s.frame[:n]); err != nil {
			return fmt.Errorf("read spooled transaction: %w", err)
		}
		if err := fn(s.frame[:n]); err != nil {
			return err
		}
	}
}

// reset forgets all, and gives back what a giant had taken.
func (s *spool) reset() error {
	s.memory = s.memory[:0]
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file, s.writer, s.frame, s.memory = nil, nil, nil, nil
	return file.Close()
}
