// Sdks runs well-known HTTP clients against faults, and reads from the fault injector
// what they do:
//
//	go run . -caddy <binary> -write   write the table of the manual, and the recorded calls
//	go run . -caddy <binary> -live    check some clients with two faults, as CI does
//
// It needs Go, and Node.js with npm. A client of another program or of a package for
// Python is left out if that is missing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// settings are the flags of the command.
type settings struct {
	caddy  string
	python string // interpreters, with commas
	only   string // names of clients, with commas
	live   bool
	write  bool

	bound  time.Duration // how long a client runs
	window time.Duration // how long a call stays open without another attempt
	atOnce int           // clients
	dir    string
}

func main() {
	var s settings
	flag.StringVar(&s.caddy, "caddy", "caddy", "the binary with the fault injector")
	flag.StringVar(&s.python, "python", "python3", "interpreters of Python, with commas; the first that has a client runs it")
	flag.StringVar(&s.only, "only", "", "the names of the clients to run, with commas; all without it")
	flag.BoolVar(&s.live, "live", false, "check what CI checks")
	flag.BoolVar(&s.write, "write", false, "write the table of the manual and the recorded calls")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, &s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s *settings) (err error) {
	s.bound, s.window, s.atOnce = 30*time.Second, 30*time.Second, 6
	if s.live {
		s.atOnce = len(expected)
	}
	if s.dir, err = os.MkdirTemp("", "sdks"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if s.caddy, err = filepath.Abs(s.caddy); err != nil {
		return err
	}
	began := time.Now()
	all, err := install(ctx, s)
	if err != nil {
		return err
	}
	fmt.Printf("%d clients after %.0f s\n", len(all), time.Since(began).Seconds())
	server, err := start(ctx, s)
	if err != nil {
		return err
	}
	defer server.stop()
	if s.live {
		err = check(ctx, s, server, all)
	} else {
		err = report(ctx, s, server, all)
	}
	fmt.Printf("done after %.0f s\n", time.Since(began).Seconds())
	return err
}

// report makes the table, which needs to know which calls were given up.
func report(ctx context.Context, s *settings, server *server, all []client) error {
	ended := runAll(ctx, s, server, all, faults)
	time.Sleep(s.window + time.Second)
	found, err := server.clients(ctx)
	if err != nil {
		return err
	}
	t := &table{columns: faults, clients: all, found: found, ended: ended}
	if s.write {
		return t.write(time.Now())
	}
	_, err = fmt.Print(t.markdown())
	return err
}

// runAll runs the clients, and returns the URLs whose requests have ended for the caller.
func runAll(ctx context.Context, s *settings, server *server, all []client, columns []fault) map[string]bool {
	var (
		mu      sync.Mutex
		group   sync.WaitGroup
		ended   = make(map[string]bool)
		running = make(chan struct{}, s.atOnce)
	)
	for _, c := range all {
		group.Go(func() {
			running <- struct{}{}
			defer func() { <-running }()
			for _, line := range c.run(ctx, s.bound, c.requests(server.url, columns)) {
				url, _, ok := strings.Cut(line, " ")
				mu.Lock()
				ended[url] = ok
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return ended
}
