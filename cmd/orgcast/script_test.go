package main

import (
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/oikion/orgcast/internal/eventlog"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"orgcast": main})
}

// TestTheCommandsFaces runs testdata/*.txtar: what the commands print, where, and
// how they exit.
func TestTheCommandsFaces(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			// The operator's listener of nobody.
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Setenv("NOBODY", l.Addr().String())
			e.Setenv("HOME", e.WorkDir)
			return l.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// log DIR makes an empty event log; log -hold DIR keeps it open until the
			// script's end, as a process does.
			"log": func(s *testscript.TestScript, _ bool, args []string) {
				hold := args[0] == "-hold"
				dir := s.MkAbs(args[len(args)-1])
				s.Check(os.MkdirAll(dir, 0o700))
				log, err := eventlog.Open(dir, eventlog.Options{MinFree: -1})
				s.Check(err)
				if hold {
					s.Defer(func() { s.Check(log.Close()) })
					return
				}
				s.Check(log.Close())
			},
		},
	})
}
