package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// client is a client that is installed.
type client struct {
	name    string
	title   string
	methods []string
	program []string // prints the clients, or runs one with a name, methods and URLs
	tool    bool     // sends one request only, and has no name
}

// tools are the programs that send one request.
var tools = []client{
	{name: "curl", program: []string{"curl", "-sS", "--max-time", "2"}},
	{name: "curl-retry", title: "`--retry 3`", program: []string{"curl", "-sS", "--max-time", "2", "--retry", "3"}},
	{name: "curl-all-errors", title: "`--retry 3 --retry-all-errors`", program: []string{"curl", "-sS", "--max-time", "2", "--retry", "3", "--retry-all-errors"}},
	{name: "wget", program: []string{"wget", "-q", "-O", "-", "--timeout", "2"}},
}

// install builds and installs the programs of the clients, and returns the clients.
func install(ctx context.Context, s *settings) ([]client, error) {
	steps := []func() error{
		func() error { return command(ctx, ".", "go", "build", "-o", s.dir, "./goclients") },
		func() error { return npm(ctx, s.dir) },
	}
	if !s.live {
		steps = append(steps, func() error { return command(ctx, ".", "go", "build", "-o", s.dir, "./gosdks") })
	}
	errs := make([]error, len(steps))
	var group sync.WaitGroup
	for i, step := range steps {
		group.Go(func() { errs[i] = step() })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	all := installedTools(ctx)
	for _, program := range s.programs() {
		if _, err := exec.LookPath(program[0]); err != nil {
			continue
		}
		found, err := list(ctx, program)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			if !slices.ContainsFunc(all, func(known client) bool { return known.name == c.name }) {
				all = append(all, c)
			}
		}
	}
	return slices.DeleteFunc(all, func(c client) bool { return !s.wants(c.name) }), nil
}

// programs returns the programs that have several clients.
func (s *settings) programs() [][]string {
	found := [][]string{{filepath.Join(s.dir, "goclients")}, {"node", filepath.Join(s.dir, "clients.mjs")}}
	for python := range strings.SplitSeq(s.python, ",") {
		found = append(found, []string{python, "clients.py"})
	}
	if s.live {
		return found
	}
	return append(found, []string{filepath.Join(s.dir, "gosdks")}, []string{"java", "Clients.java"})
}

// wants reports whether a client is to be run.
func (s *settings) wants(name string) bool {
	if s.only != "" {
		return slices.Contains(strings.Split(s.only, ","), name)
	}
	_, isLive := expected[name]
	return isLive || !s.live
}

// npm installs the packages of Node.js beside its program.
func npm(ctx context.Context, dir string) error {
	for _, name := range []string{"package.json", "clients.mjs"} {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return command(ctx, dir, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error")
}

func command(ctx context.Context, dir string, words ...string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}

// installedTools returns the tools of the machine, with their versions.
func installedTools(ctx context.Context) (found []client) {
	for _, c := range tools {
		out, err := exec.CommandContext(ctx, c.program[0], "--version").Output()
		words := strings.Fields(string(out)) // curl 8.1.2 (…), GNU Wget 1.21.3 built …
		if err != nil || len(words) < 3 {
			continue
		}
		title := strings.TrimPrefix(strings.Join(words[:3], " "), "GNU ")
		if words[0] == "curl" {
			title = strings.Join(words[:2], " ")
		}
		if c.title != "" {
			title += ", " + c.title
		}
		c.title, c.tool, c.methods = title, true, []string{"GET", "POST"}
		found = append(found, c)
	}
	return found
}

// list asks a program for its clients: lines with a name, a title and the only method.
func list(ctx context.Context, program []string) (found []client, err error) {
	out, err := exec.CommandContext(ctx, program[0], program[1:]...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(program, " "), err)
	}
	for line := range strings.Lines(string(out)) {
		fields := append(strings.Split(strings.TrimRight(line, "\r\n"), "\t"), "")
		c := client{name: fields[0], title: fields[1], program: program, methods: []string{"GET", "POST"}}
		if only := fields[2]; only != "" {
			c.methods = []string{only}
		}
		found = append(found, c)
	}
	return found, nil
}

// requests returns the methods and the URLs that the client requests.
func (c *client) requests(base string, columns []fault) (words []string) {
	for _, column := range columns {
		for _, method := range c.methods {
			words = append(words, method, base+"/"+c.request(column.name, method))
		}
	}
	return words
}

// request returns what names a request in its path.
func (c *client) request(column, method string) string {
	return c.name + "." + column + "." + method + ".1"
}

// run sends the requests, and returns a line for each that has ended in time.
func (c *client) run(ctx context.Context, bound time.Duration, requests []string) (lines []string) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	if !c.tool {
		return strings.Split(string(output(ctx, slices.Concat(c.program, []string{c.name}, requests))), "\n")
	}
	var (
		mu    sync.Mutex
		group sync.WaitGroup
	)
	for i := 0; i+1 < len(requests); i += 2 {
		group.Go(func() {
			output(ctx, slices.Concat(c.program, c.post(requests[i]), requests[i+1:i+2]))
			if ctx.Err() == nil {
				mu.Lock()
				lines = append(lines, requests[i+1]+" ended")
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return lines
}

// post returns the options with which a tool sends POST.
func (c *client) post(method string) []string {
	const order = `{"item": "tea"}`
	switch {
	case method != "POST":
		return nil
	case c.program[0] == "wget":
		return []string{"--post-data", order}
	default:
		return []string{"-d", order}
	}
}

// output runs a program until it ends or its time is up, and returns what it printed.
func output(ctx context.Context, words []string) []byte {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.WaitDelay = &out, time.Second
	_ = cmd.Run() // a client that fails is the purpose
	return out.Bytes()
}
