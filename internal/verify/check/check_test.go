package check_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/oikion/orgcast/internal/verify"
	"github.com/oikion/orgcast/internal/verify/check"
)

const second = int64(1e9)

// scene is a truth and a client's record, small enough to be read.
type scene struct {
	truth     verify.Truth
	record    verify.Record
	incidents []check.Incident
	now       int64
}

// newScene: user u has been a member of org a all along. There are six commits, at
// LSN 100, 200, … 600, one each second, acknowledged at once; each has two events
// of a and one of b.
func newScene() *scene {
	s := &scene{now: 20 * second}
	s.record = verify.Record{Client: "c", Kind: "eventsource", User: "u", Organizations: []string{"a"}}
	s.truth.Members = []verify.Member{
		{User: "u", Organization: "a", ID: "m1", Roles: []verify.Role{{Name: "AGENT"}}},
		{User: "x", Organization: "b", ID: "m2", Roles: []verify.Role{{Name: "AGENT"}}},
	}
	for n := uint64(1); n <= 6; n++ {
		at := int64(n) * second
		s.truth.Commits = append(s.truth.Commits, verify.Commit{LSN: 100 * n, XID: uint32(n), Seen: at, Acked: at})
		s.fact(100*n, 0, "a")
		s.fact(100*n, 1, "b")
		s.fact(100*n, 2, "a")
	}
	return s
}

func (s *scene) fact(lsn, ordinal uint64, organization string) *verify.Fact {
	s.truth.Facts = append(s.truth.Facts, verify.Fact{
		LSN: lsn, Ordinal: ordinal, Organization: organization, Type: "data.sync", Channel: "organization", Source: "postgres", Millis: int64(lsn),
		Payload: payload(lsn, ordinal),
	})
	return &s.truth.Facts[len(s.truth.Facts)-1]
}

func payload(lsn, ordinal uint64) string { return fmt.Sprintf(`{"entityId":"%d.%d"}`, lsn, ordinal) }

func at(lsn, ordinal uint64) verify.Cursor {
	return verify.Cursor{Epoch: "e", Place: verify.Place{LSN: lsn, Index: ordinal * 8}}
}

func (s *scene) add(e verify.Entry) *scene {
	s.now += second / 100
	e.At = s.now
	s.record.Entries = append(s.record.Entries, e)
	return s
}

func (s *scene) ask(c verify.Cursor) *scene {
	return s.add(verify.Entry{What: verify.Asked, Cursor: c}).add(verify.Entry{What: verify.Connected})
}

func (s *scene) hear(lsn, ordinal uint64) *scene {
	return s.hearAs(lsn, ordinal, "a", payload(lsn, ordinal))
}

func (s *scene) hearAs(lsn, ordinal uint64, organization, payload string) *scene {
	id := "e." + strconv.FormatUint(lsn, 36) + "." + strconv.FormatUint(ordinal*8, 36)
	data := fmt.Sprintf(`{"id":%q,"type":"data.sync","organizationId":%q,"timestamp":%d,"source":"postgres","version":"1.0.0","payload":%s}`, id, organization, lsn, payload)
	return s.add(verify.Entry{What: verify.Heard, Cursor: at(lsn, ordinal), Data: &data})
}

func (s *scene) hearTruncated(lsn, ordinal uint64, payload string) *scene {
	s.hearAs(lsn, ordinal, "a", payload)
	data := &s.record.Entries[len(s.record.Entries)-1].Data
	text := strings.TrimSuffix(**data, "}") + `,"truncated":true}`
	*data = &text
	return s
}

func large(lsn, ordinal uint64) string {
	return strings.TrimSuffix(payload(lsn, ordinal), "}") + `,"data":"` + strings.Repeat("x", 64<<10) + `"}`
}

// refilter asks for nothing that there is, and widen for all.
func (s *scene) refilter(done verify.Cursor) *scene {
	return s.add(verify.Entry{What: verify.Asked, Cursor: done, Filter: &verify.Filter{Types: []string{"system.alert"}}})
}

func (s *scene) widen(done verify.Cursor) *scene {
	return s.add(verify.Entry{What: verify.Asked, Cursor: done})
}

func (s *scene) all(from, to uint64) *scene {
	for n := from; n <= to; n++ {
		s.hear(100*n, 0).hear(100*n, 2)
	}
	return s
}

func (s *scene) word(w verify.What, c verify.Cursor, reason string) *scene {
	return s.add(verify.Entry{What: w, Cursor: c, Reason: reason})
}

func (s *scene) end(lsn, ordinal uint64) *scene { // of u's membership
	s.truth.Members[0].To = verify.Place{LSN: lsn, Index: ordinal * 8}
	return s
}

// again: u's membership ends at a place, and another begins with a commit.
func (s *scene) again(lsn, ordinal, from uint64) {
	s.end(lsn, ordinal)
	s.truth.Commits[from/100-1].Acked = 10 * second
	if from == lsn {
		s.truth.Commits[from/100-1].Acked = 30 * second
	}
	s.truth.Members = append(s.truth.Members, verify.Member{User: "u", Organization: "a", ID: "m3", Roles: []verify.Role{{Name: "AGENT"}}, From: verify.Place{LSN: from}})
}

// TestEachOffenceIsFoundAndNothingElse is the checker's own check: a record that
// keeps the promises has no finding, and each that breaks one is found by its name.
func TestEachOffenceIsFoundAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*scene) *scene
		want check.Offence // "" is none
	}{
		{"all is told", func(s *scene) *scene { return s.ask(at(0, 0)).all(1, 6).word(verify.Ready, at(600, 3), "") }, ""},
		{"a cut owes nothing behind the last id", func(s *scene) *scene { return s.ask(at(0, 0)).all(1, 3).word(verify.Cut, verify.Cursor{}, "") }, ""},
		{"the next connection goes on", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 3).word(verify.Cut, verify.Cursor{}, "").ask(at(300, 2)).all(4, 6).word(verify.Ready, at(600, 3), "")
		}, ""},
		{"from a stored cursor it comes again", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 3).word(verify.Cut, verify.Cursor{}, "").ask(at(100, 2)).all(2, 6).word(verify.Ready, at(600, 3), "")
		}, ""},
		{"what is too large comes with its keys", func(s *scene) *scene {
			s.truth.Facts[0].Payload = large(100, 0)
			return s.ask(at(0, 0)).hearTruncated(100, 0, payload(100, 0)).hear(100, 2)
		}, ""},
		{"also beside a number that no float holds", func(s *scene) *scene {
			s.truth.Facts[0].Payload = strings.TrimSuffix(large(100, 0), "}") + `,"features":1` + strings.Repeat("0", 400) + "}"
			return s.ask(at(0, 0)).hearTruncated(100, 0, payload(100, 0)).hear(100, 2)
		}, ""},
		{"what is not too large does not", func(s *scene) *scene {
			return s.ask(at(0, 0)).hearTruncated(100, 0, payload(100, 0)).hear(100, 2)
		}, check.Wrong},
		{"nor with other keys", func(s *scene) *scene {
			s.truth.Facts[0].Payload = large(100, 0)
			return s.ask(at(0, 0)).hearTruncated(100, 0, payload(200, 0)).hear(100, 2)
		}, check.Wrong},
		{"what is too large does not come whole", func(s *scene) *scene {
			s.truth.Facts[0].Payload = large(100, 0)
			return s.ask(at(0, 0)).hearAs(100, 0, "a", large(100, 0)).hear(100, 2)
		}, check.Wrong},
		{"while a filter is changed either may count", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 1).refilter(verify.Cursor{}).hear(200, 0).word(verify.Beat, at(400, 3), "")
		}, ""},
		{"and no longer when it is", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 1).refilter(verify.Cursor{}).refilter(at(200, 3)).hear(300, 0)
		}, check.Unfiltered},
		{"what one that widens lets through must come", func(s *scene) *scene {
			return s.refilter(verify.Cursor{}).add(verify.Entry{What: verify.Connected, Cursor: at(100, 0)}).
				widen(verify.Cursor{}).widen(at(200, 3)).word(verify.Beat, at(400, 3), "")
		}, check.Lost},
		{"a server that is behind tells of the membership that it knows, to its end", func(s *scene) *scene {
			s.incidents = []check.Incident{{At: 11 * second, Until: 30 * second}}
			s.again(300, 0, 400)
			return s.ask(at(0, 0)).all(1, 2).hear(300, 0).word(verify.Closing, verify.Cursor{}, "membership_revoked").word(verify.Cut, verify.Cursor{}, "")
		}, ""},
		{"and not when it is not", func(s *scene) *scene {
			s.again(300, 0, 400)
			return s.ask(at(0, 0)).all(1, 2)
		}, check.Before},
		{"and not from one membership to the next", func(s *scene) *scene {
			s.incidents = []check.Incident{{At: 11 * second, Until: 30 * second}}
			s.again(300, 0, 400)
			return s.ask(at(0, 0)).all(1, 2).hear(300, 0).all(5, 6)
		}, check.Revoked},
		{"who leaves and joins again in one transaction has never left", func(s *scene) *scene {
			s.again(300, 0, 300)
			return s.ask(at(0, 0)).all(1, 6)
		}, ""},
		{"one is left out", func(s *scene) *scene { return s.ask(at(0, 0)).all(1, 2).hear(300, 2) }, check.Lost},
		{"the last is left out, and ready says that it was not", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 5).hear(600, 0).word(verify.Ready, at(600, 3), "")
		}, check.Lost},
		{"a heartbeat says so", func(s *scene) *scene { return s.ask(at(0, 0)).all(1, 5).word(verify.Beat, at(600, 3), "") }, check.Lost},
		{"one is left out between two connections", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 3).word(verify.Cut, verify.Cursor{}, "").ask(at(300, 2)).hear(400, 2)
		}, check.Lost},
		{"one comes twice", func(s *scene) *scene { return s.ask(at(0, 0)).all(1, 1).hear(100, 2) }, check.Repeated},
		{"one comes late", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 1).all(3, 3).word(verify.Beat, at(300, 2), "").hear(200, 0)
		}, check.Disordered},
		{"a transaction is split", func(s *scene) *scene { return s.ask(at(0, 0)).hear(100, 0).hear(200, 0).hear(100, 2) }, check.Split},
		{"another organization's", func(s *scene) *scene { return s.ask(at(0, 0)).hear(100, 0).hearAs(100, 1, "b", payload(100, 1)) }, check.Foreign},
		{"another organization's, told as one's own", func(s *scene) *scene { return s.ask(at(0, 0)).hear(100, 0).hearAs(100, 1, "a", payload(100, 1)) }, check.Foreign},
		{"another value", func(s *scene) *scene { return s.ask(at(0, 0)).hearAs(100, 0, "a", `{"entityId":null}`) }, check.Wrong},
		{"nobody committed it", func(s *scene) *scene { return s.ask(at(0, 0)).all(1, 1).hearAs(150, 0, "a", `{}`) }, check.Unknown},
		{"for another user", func(s *scene) *scene {
			s.truth.Facts[0].Users = []string{"v"}
			return s.ask(at(0, 0)).hear(100, 0)
		}, check.Audience},
		{"for another role", func(s *scene) *scene {
			s.truth.Facts[0].Roles = []string{"ADMIN"}
			return s.ask(at(0, 0)).hear(100, 0)
		}, check.Audience},
		{"for another role, and not told", func(s *scene) *scene {
			s.truth.Facts[0].Roles = []string{"ADMIN"}
			return s.ask(at(0, 0)).hear(100, 2)
		}, ""},
		{"not what was asked for", func(s *scene) *scene {
			return s.add(verify.Entry{What: verify.Asked, Cursor: at(0, 0), Filter: &verify.Filter{Channels: []string{"system"}}}).word(verify.Connected, verify.Cursor{}, "").hear(100, 0)
		}, check.Unfiltered},
		{"up to his removal", func(s *scene) *scene {
			return s.end(300, 1).ask(at(0, 0)).all(1, 2).hear(300, 0).word(verify.Closing, verify.Cursor{}, "membership_revoked")
		}, ""},
		{"behind his removal", func(s *scene) *scene { return s.end(300, 1).ask(at(0, 0)).all(1, 2).hear(300, 0).hear(300, 2) }, check.Revoked},
		{"the stream is left open", func(s *scene) *scene {
			return s.end(300, 1).ask(at(0, 0)).all(1, 2).hear(300, 0).word(verify.Beat, at(400, 0), "")
		}, check.Revoked},
		{"before he was a member", func(s *scene) *scene {
			s.truth.Members[0].From = verify.Place{LSN: 300}
			return s.ask(at(100, 2)).hear(200, 0)
		}, check.Before},
		{"ready, and it lacks what was acknowledged", func(s *scene) *scene { return s.ask(at(0, 0)).all(1, 5).word(verify.Ready, at(500, 3), "") }, check.FalseReady},
		{"live, and behind", func(s *scene) *scene {
			s.ask(at(0, 0)).all(1, 6).word(verify.Ready, at(600, 3), "")
			s.truth.Commits = append(s.truth.Commits, verify.Commit{LSN: 700, XID: 7, Seen: s.now, Acked: s.now})
			s.now += 16 * second
			return s.word(verify.Beat, at(600, 3), "")
		}, check.FalseLive},
		{"behind, and it says so", func(s *scene) *scene {
			s.ask(at(0, 0)).all(1, 6).word(verify.Ready, at(600, 3), "").word(verify.Stale, verify.Cursor{}, "")
			s.truth.Commits = append(s.truth.Commits, verify.Commit{LSN: 700, XID: 7, Seen: s.now, Acked: s.now})
			s.now += 16 * second
			return s.word(verify.Beat, at(600, 3), "")
		}, ""},
		{"a reset for nothing", func(s *scene) *scene { return s.ask(at(100, 2)).word(verify.Reset, at(600, 3), "too_old") }, check.FalseReset},
		{"a reset for an epoch that is the same", func(s *scene) *scene { return s.ask(at(100, 2)).word(verify.Reset, at(600, 3), "epoch") }, check.FalseReset},
		{"a reset for a membership that is newer", func(s *scene) *scene {
			s.truth.Members[0].From = verify.Place{LSN: 300}
			return s.ask(at(100, 2)).word(verify.Reset, at(300, 3), "too_old").all(4, 6)
		}, ""},
		{"a move", func(s *scene) *scene {
			s.truth.Facts[0].Type = "reset"
			return s.ask(at(0, 0)).word(verify.Reset, at(100, 0), "moved").hear(100, 2)
		}, ""},
		{"a move that is not told", func(s *scene) *scene {
			s.truth.Facts[0].Type = "reset"
			return s.ask(at(0, 0)).hear(100, 2)
		}, check.Lost},
		{"a move that was none", func(s *scene) *scene { return s.ask(at(0, 0)).word(verify.Reset, at(100, 0), "moved") }, check.FalseReset},
		{"moves in a page", func(s *scene) *scene {
			s.truth.Facts[0].Type, s.truth.Facts[6].Type = "reset", "reset"
			return s.ask(at(0, 0)).word(verify.Moved, at(300, 0), "").hear(100, 2).all(2, 2).word(verify.Paged, at(300, 0), "")
		}, ""},
		{"moves in a page without a cursor", func(s *scene) *scene {
			s.truth.Facts[0].Type, s.truth.Facts[6].Type = "reset", "reset"
			return s.add(verify.Entry{What: verify.Asked}).word(verify.Moved, at(300, 0), "").hear(100, 2).all(2, 2).word(verify.Paged, at(300, 0), "")
		}, ""},
		{"a move that a page does not tell", func(s *scene) *scene {
			s.truth.Facts[0].Type, s.truth.Facts[6].Type = "reset", "reset"
			return s.ask(at(0, 0)).word(verify.Moved, at(200, 2), "").hear(100, 2).all(2, 2).word(verify.Paged, at(300, 2), "")
		}, check.Lost},
		{"moves in a page, and there were none", func(s *scene) *scene {
			return s.ask(at(0, 0)).word(verify.Moved, at(200, 2), "").all(1, 2).word(verify.Paged, at(200, 2), "")
		}, check.FalseReset},
		{"403 for a member", func(s *scene) *scene {
			return s.add(verify.Entry{What: verify.Asked}).add(verify.Entry{What: verify.Refused, Status: 403})
		}, check.FalseAnswer},
		{"403 for who is none", func(s *scene) *scene {
			s.end(300, 1)
			return s.add(verify.Entry{What: verify.Asked}).add(verify.Entry{What: verify.Refused, Status: 403})
		}, ""},
		{"500", func(s *scene) *scene {
			return s.add(verify.Entry{What: verify.Asked}).add(verify.Entry{What: verify.Refused, Status: 500})
		}, check.FalseAnswer},
		{"an end for nothing", func(s *scene) *scene {
			return s.ask(at(0, 0)).word(verify.Closing, verify.Cursor{}, "membership_revoked")
		}, check.FalseEnd},
		{"what no stream says", func(s *scene) *scene { return s.ask(at(0, 0)).word(verify.Broken, verify.Cursor{}, "a line") }, check.Malformed},
		{"another epoch without a reset", func(s *scene) *scene {
			return s.ask(at(0, 0)).all(1, 1).word(verify.Beat, verify.Cursor{Epoch: "f", Place: verify.Place{LSN: 200}}, "")
		}, check.FalseEpoch},
		{"a page", func(s *scene) *scene {
			return s.add(verify.Entry{What: verify.Asked, Cursor: at(100, 2)}).all(2, 3).word(verify.Paged, at(300, 2), "")
		}, ""},
		{"a page that leaves one out", func(s *scene) *scene {
			return s.add(verify.Entry{What: verify.Asked, Cursor: at(100, 2)}).all(2, 3).word(verify.Paged, at(400, 2), "")
		}, check.Lost},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.make(newScene())
			findings, _ := check.New(s.truth, s.incidents, check.Defaults()).Client(&s.record)
			found := false
			for _, f := range findings {
				found = found || f.Offence == c.want
				// What comes late was missing until it came.
				if f.Offence != c.want && (c.want == "" || f.Offence != check.Lost) {
					t.Errorf("found %v", f)
				}
			}
			if c.want != "" && !found {
				t.Errorf("%q was not found in %v", c.want, findings)
			}
		})
	}
}

func TestANewEpochNeedsAReason(t *testing.T) {
	s := newScene()
	s.ask(at(0, 0)).all(1, 2).word(verify.Reset, verify.Cursor{Epoch: "f", Place: verify.Place{LSN: 300}}, "epoch")
	records := []*verify.Record{&s.record}
	if findings := check.New(s.truth, nil, check.Defaults()).Epochs(records); len(findings) != 1 || findings[0].Offence != check.FalseEpoch {
		t.Errorf("without a reason: %v", findings)
	}
	s.incidents = []check.Incident{{Kind: "data lost", At: 1, Epoch: true}}
	if findings := check.New(s.truth, s.incidents, check.Defaults()).Epochs(records); len(findings) != 0 {
		t.Errorf("with a reason: %v", findings)
	}
}
