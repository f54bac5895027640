package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// streams opens very many streams, writes at a steady rate, and holds what each
// was told against what was committed.
func streams(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	count := flags.Int("streams", 5000, "open streams")
	organizations := flags.Int("organizations", 50, "organizations that they are spread over")
	rate := flags.Int("rate", 500, "events a second, one organization's each")
	duration := flags.Duration("duration", time.Minute, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	h, err := newHouse(ctx, *organizations)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.serve(ctx, nil); err != nil {
		return err
	}
	empty, err := h.server.usage()
	if err != nil {
		return err
	}
	crowd, err := gather(ctx, h, *count, *organizations)
	if err != nil {
		return err
	}
	defer crowd.close()
	quiet, err := h.server.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%d streams of %d organizations are open: %s resident, %.1f KiB a stream above the empty server; CPU %.2f s = %.0f µs a connect\n",
		*count, *organizations, mib(quiet.resident), float64(quiet.resident-empty.resident)/1024/float64(*count),
		(quiet.cpu - empty.cpu).Seconds(), (quiet.cpu-empty.cpu).Seconds()*1e6/float64(*count))

	busyBefore, err := busy()
	if err != nil {
		return err
	}
	begun := time.Now()
	steps := int(duration.Seconds() * float64(*rate))
	committed := make([]int, 1+*organizations)
	ticker := time.NewTicker(time.Second / time.Duration(*rate))
	defer ticker.Stop()
	fmt.Printf("%8s  %10s  %s\n", "seconds", "resident", "server's CPU, cores")
	last, lastAt := quiet, begun
	for i := range steps {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		o := 1 + i%*organizations
		n := committed[o]
		if _, err := h.db.Exec(ctx, `UPDATE properties SET bedrooms = $1, description = $2 WHERE id = $3`,
			n%5, marker+strconv.Itoa(n)+";", fmt.Sprint("property_", o)); err != nil {
			return err
		}
		committed[o]++
		if (i+1)%(steps/6) == 0 {
			now, err := h.server.usage()
			if err != nil {
				return err
			}
			at := time.Now()
			fmt.Printf("%8.1f  %10s  %.2f\n", at.Sub(begun).Seconds(), mib(now.resident), (now.cpu-last.cpu).Seconds()/at.Sub(lastAt).Seconds())
			last, lastAt = now, at
		}
	}
	took := time.Since(begun)
	complete := crowd.settle(ctx, committed)
	end, err := h.server.usage()
	if err != nil {
		return err
	}
	busyAfter, err := busy()
	if err != nil {
		return err
	}
	lost, repeated, disordered, foreign, broken := crowd.held(committed)
	told := crowd.told.Load()
	cpu := (end.cpu - quiet.cpu).Seconds() * 1e6 / float64(told)
	floor, err := bareWrite(int(crowd.bytes.Load() / max(told, 1)))
	if err != nil {
		return err
	}
	fmt.Printf("\n%d events in %.1f s (%.0f/s), %d told to streams (%.0f/s); lost %d, repeated %d, out of order %d, another organization's %d, streams that broke %d; all there: %v\n",
		steps, took.Seconds(), float64(steps)/took.Seconds(), told, float64(told)/took.Seconds(), lost, repeated, disordered, foreign, broken, complete)
	fmt.Printf("server's CPU %.2f s = %.2f µs an event told; a bare write(2) of its %d bytes takes %.2f µs of CPU: %.2f×\n",
		(end.cpu - quiet.cpu).Seconds(), cpu, crowd.bytes.Load()/max(told, 1), floor, cpu/floor)
	fmt.Printf("resident: %s at the start, %s at the end; the whole machine computed %.2f s a second\n",
		mib(quiet.resident), mib(end.resident), (busyAfter-busyBefore)/took.Seconds())
	if lost+repeated+disordered+foreign+broken > 0 {
		return errors.New("not every stream was told everything, once, in order")
	}
	return nil
}

// crowd is very many streams. One goroutine reads each, with a small buffer.
type crowd struct {
	listeners []*listener
	reading   sync.WaitGroup
	told      atomic.Int64
	bytes     atomic.Int64 // of events
}

// listener is one stream, and what it was told.
type listener struct {
	*stream
	organization int
	mu           sync.Mutex
	numbers      []int32
	foreign      int
	broken       error
}

func gather(ctx context.Context, h *house, count, organizations int) (*crowd, error) {
	c := &crowd{listeners: make([]*listener, count)}
	cookies := make([]string, 1+organizations)
	for o := 1; o <= organizations; o++ {
		var err error
		if cookies[o], err = h.cookie(o); err != nil {
			return nil, err
		}
	}
	var opening sync.WaitGroup
	var failed atomic.Pointer[error]
	next := make(chan int)
	for range 32 {
		opening.Go(func() {
			for i := range next {
				o := 1 + i%organizations
				s, err := open(ctx, h.address, o, cookies[o], 4<<10)
				if err != nil {
					failed.Store(&err)
					continue
				}
				c.listeners[i] = &listener{stream: s, organization: o}
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	opening.Wait()
	if err := failed.Load(); err != nil {
		c.close()
		return nil, *err
	}
	for _, l := range c.listeners {
		c.reading.Go(func() { c.read(l) })
	}
	return c, nil
}

func (c *crowd) read(l *listener) {
	own := fmt.Sprintf(`"organizationId":"org_%d"`, l.organization)
	for {
		line, err := l.line()
		if err != nil {
			l.mu.Lock()
			l.broken = err
			l.mu.Unlock()
			return
		}
		if !bytes.HasPrefix(line, []byte("data: ")) {
			continue
		}
		n, err := strconv.Atoi(string(between(line, `"new":"`+marker, ";")))
		if err != nil {
			continue // a control message
		}
		l.mu.Lock()
		if l.numbers = append(l.numbers, int32(n)); !bytes.Contains(line, []byte(own)) {
			l.foreign++
		}
		l.mu.Unlock()
		c.told.Add(1)
		c.bytes.Add(int64(len(line)) + 30) // with its id line and ends
	}
}

// settle waits until every stream has as many events as there are, at most 20 s.
func (c *crowd) settle(ctx context.Context, committed []int) bool {
	want := int64(0)
	for _, l := range c.listeners {
		want += int64(committed[l.organization])
	}
	for range 200 {
		if c.told.Load() >= want {
			return true
		}
		pause(ctx, 100*time.Millisecond)
	}
	return false
}

// held counts what is wrong with what the streams were told.
func (c *crowd) held(committed []int) (lost, repeated, disordered, foreign, broken int) {
	for _, l := range c.listeners {
		l.mu.Lock()
		if l.broken != nil {
			broken++
		}
		foreign += l.foreign
		if !slices.IsSorted(l.numbers) {
			disordered++
			slices.Sort(l.numbers)
		}
		distinct := len(slices.Compact(slices.Clone(l.numbers)))
		repeated += len(l.numbers) - distinct
		lost += committed[l.organization] - distinct
		l.mu.Unlock()
	}
	return lost, repeated, disordered, foreign, broken
}

func (c *crowd) close() {
	for _, l := range c.listeners {
		if l != nil {
			l.Close()
		}
	}
	c.reading.Wait()
}

// raiseFiles lets this process open as many files as it may.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// bareWrite is what one write(2) of n bytes to a loopback socket that somebody
// reads costs the process that writes, in microseconds of CPU: no server can take
// less for an event that it writes by itself. The writes go round many sockets, as
// a server's do.
func bareWrite(n int) (float64, error) {
	const sockets, rounds = 500, 60
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	var conns []int
	var reading sync.WaitGroup
	var files []interface{ Close() error }
	defer func() {
		for _, f := range files {
			f.Close()
		}
		reading.Wait()
	}()
	for range sockets {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return 0, err
		}
		reading.Go(func() { discard(client) })
		server, err := l.Accept()
		if err != nil {
			return 0, errors.Join(err, client.Close())
		}
		file, err := server.(*net.TCPConn).File()
		if err := errors.Join(err, server.Close()); err != nil {
			return 0, errors.Join(err, client.Close())
		}
		files = append(files, client, file)
		conns = append(conns, int(file.Fd()))
	}
	frame := bytes.Repeat([]byte{'x'}, n)
	var spent time.Duration
	for range rounds {
		took, err := threadTime(func() error {
			for _, fd := range conns {
				if _, err := syscall.Write(fd, frame); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		spent += took
		time.Sleep(5 * time.Millisecond) // the readers' turn
	}
	return float64(spent.Microseconds()) / (sockets * rounds), nil
}
