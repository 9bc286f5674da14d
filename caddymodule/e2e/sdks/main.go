// Sdks runs well-known HTTP clients against faults, and reads from the fault injector
// what they do:
//
//	go run . -caddy <binary> -write   write the table of the manual, and the recorded calls
//	go run . -caddy <binary> -live    check what CI checks: some clients with two faults, streams and presets
//
// The clients in the folder streams read streams, and report what is recorded there:
//
//	go run . -caddy <binary> -streams          check them
//	go run . -caddy <binary> -streams -write   record what they report
//
// The SDKs of services in the folder presets raise what is recorded there. The flag
// -presets runs only them.
//
// It needs Go, and Node.js with npm. A client of another program or of a package for
// Python is left out if that is missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// settings are the flags of the command.
type settings struct {
	caddy   string
	python  string // interpreters, with commas
	only    string // names of clients, with commas
	live    bool
	streams bool
	presets bool
	write   bool

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
	flag.BoolVar(&s.streams, "streams", false, "run the clients that read streams, and no others")
	flag.BoolVar(&s.presets, "presets", false, "run the SDKs of services with their presets, and no others")
	flag.BoolVar(&s.write, "write", false, "write the table of the manual and the recorded calls, or the reports on streams or presets")
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
	if s.streams || s.presets {
		return nodeOnly(ctx, s)
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
		err = errors.Join(check(ctx, s, server, all), node(ctx, s, "streams/node.mjs", false), node(ctx, s, "presets/node.mjs", false))
	} else {
		err = report(ctx, s, server, all)
	}
	fmt.Printf("done after %.0f s\n", time.Since(began).Seconds())
	return err
}

// nodeOnly installs the packages of Node.js, and runs the programs of the flags.
func nodeOnly(ctx context.Context, s *settings) error {
	err := npm(ctx, s.dir)
	if err == nil && s.streams {
		err = node(ctx, s, "streams/node.mjs", s.write)
	}
	if err == nil && s.presets {
		err = node(ctx, s, "presets/node.mjs", s.write)
	}
	return err
}

// node runs a program for Node.js. It checks what its clients report, or records it.
func node(ctx context.Context, s *settings, program string, write bool) error {
	cmd := exec.CommandContext(ctx, "node", program)
	if write {
		cmd.Args = append(cmd.Args, "-write")
	}
	cmd.Env = append(os.Environ(), "CADDY="+s.caddy, "MODULES="+s.dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
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
