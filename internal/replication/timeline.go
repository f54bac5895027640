package replication

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/oikion/orgcast"
)

// TimelineSwitch tells where a timeline ended and the next one began.
type TimelineSwitch struct {
	// Timeline is the one that ended.
	Timeline int32
	// At is its end: a position of Timeline beyond At is not part of the history.
	At orgcast.LSN
}

// TimelineHistory returns the switches that led to a timeline, oldest first;
// none for timeline 1.
func (c *Conn) TimelineHistory(ctx context.Context, timeline int32) ([]TimelineSwitch, error) {
	const op = "read timeline history"
	if timeline <= 1 {
		return nil, nil // the first one has no history file
	}
	row, err := c.queryRow(ctx, op, "TIMELINE_HISTORY "+strconv.Itoa(int(timeline)))
	if err != nil {
		return nil, err
	}
	if len(row) != 2 {
		return nil, fmt.Errorf("%s: answer of %d columns", op, len(row))
	}
	switches, err := parseTimelineHistory(row[1])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return switches, nil
}

// parseTimelineHistory reads a history file: lines of timeline, LSN and reason,
// with comments and blank lines between.
func parseTimelineHistory(text string) ([]TimelineSwitch, error) {
	var switches []TimelineSwitch
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) == 1 {
			return nil, fmt.Errorf("parse timeline %q: no position", fields[0])
		}
		timeline, err := strconv.ParseInt(fields[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parse timeline: %w", err)
		}
		at, err := orgcast.ParseLSN(fields[1])
		if err != nil {
			return nil, err
		}
		if n := len(switches); n > 0 && int64(switches[n-1].Timeline) >= timeline {
			return nil, fmt.Errorf("parse timeline %d: follows %d", timeline, switches[n-1].Timeline)
		}
		switches = append(switches, TimelineSwitch{Timeline: int32(timeline), At: at})
	}
	return switches, lines.Err()
}
