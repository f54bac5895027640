package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/oikion/orgcast/internal/eventlog"
)

// eventLog reads what the log is a log of, unless somebody has it open.
func eventLog(_ context.Context, s *Scene) []Finding {
	if s.report.told(DataDirUnusable) {
		return nil
	}
	dir := filepath.Join(s.config.DataDir, "log")
	p, err := eventlog.Peek(dir)
	switch {
	case err == nil:
		s.log = &p
		return nil
	case errors.Is(err, fs.ErrNotExist):
		s.log = &eventlog.Peeked{Empty: true}
		return nil
	case errors.Is(err, eventlog.ErrLocked):
		s.locked = true
		return []Finding{found(LogLocked, "the event log is in use, so an orgcast runs here; what is in it was not looked at", "nothing is to be done")}
	case errors.Is(err, eventlog.ErrForeign), errors.Is(err, eventlog.ErrNewer):
		return []Finding{found(LogForeign, plain(err), cureOf(err, ""))}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{found(DataDirUnusable, "the event log can't be read: "+plain(err), "run doctor as the user of serve; let that user own ORGCAST_DATA_DIR")}
	}
	return []Finding{found(LogDamaged, "the event log can't be read: "+plain(err), cureOf(err, "check the disk; serve sets a damaged log aside and begins anew"))}
}

// continuity tells whether serve can go on from the log and the slot. If not, it
// makes slot, snapshot and epoch anew, and every page refetches: right, but not
// to happen unseen.
func continuity(_ context.Context, s *Scene) []Finding {
	if s.locked || s.log == nil || s.system == nil {
		return nil
	}
	log, why, code := s.log, "", LogDiscontinued
	switch {
	case log.Empty && s.slot == nil:
		s.good("event log: empty, as before the first start")
		return nil
	case log.Empty:
		code, why = SlotWithoutLog, "the slot exists, and the event log here is empty"
	case log.Identity.SystemID != s.system.ID:
		code, why = LogOfAnother, fmt.Sprintf("the event log is of another database cluster (%d, this one is %d)", log.Identity.SystemID, s.system.ID)
	case log.Identity.Database != s.system.Database:
		code, why = LogOfAnother, fmt.Sprintf("the event log is of database %q", log.Identity.Database)
	case log.Identity.Slot != s.config.Slot:
		code, why = LogOfAnother, fmt.Sprintf("the event log was read from slot %q", log.Identity.Slot)
	case s.slot == nil:
		why = "the slot is gone, and the event log goes on from it"
	case s.slot.ConfirmedFlush > log.Position:
		why = "the slot was confirmed beyond the event log: somebody else read it, or the log is an older copy"
	case s.system.WALEnd < log.Position:
		why = "the database's WAL ends before the event log: it was restored, or a standby that was behind took over"
	default:
		s.good(fmt.Sprintf("event log: goes on from the slot at %v", log.Position))
		return nil
	}
	cure := map[Code]string{
		LogOfAnother:    "set ORGCAST_DATABASE_URL, ORGCAST_SLOT and ORGCAST_DATA_DIR to those that belong together; nothing is to be done if the change is meant",
		LogDiscontinued: "nothing is to be done; give orgcast a disk and a slot that last",
		SlotWithoutLog:  "nothing is to be done at a first start; else set ORGCAST_DATA_DIR to a volume that outlives the process",
	}[code]
	return []Finding{found(code, why+": serve makes a new slot and snapshot, and every page refetches", cure)}
}
