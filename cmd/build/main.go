// Command build makes a Caddy binary from a JSON file, as `xcaddy build` does
// from its command line:
//
//	go run ./cmd/build [-config xcaddy.json] [-output caddy]
//
// The file holds the keys of xcaddy's own Builder: caddy_version, plugins with
// module_path and version, replacements with old and new, and the rest of
// https://pkg.go.dev/github.com/caddyserver/xcaddy#Builder. Relative folders in
// it are meant from where the file stands, so the build works from anywhere.
//
// At the end the binary is asked which fault modules it has; a build without
// any is an error, because such a binary would refuse every fault directive.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/caddyserver/xcaddy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program; it returns the exit code: 0 for a binary, 1 for a
// build that failed, 2 for a command line that is wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config := flags.String("config", "xcaddy.json", "read the build from this `file`")
	output := flags.String("output", binaryName(), "write the binary to this `file`")
	flags.StringVar(output, "o", *output, "short for -output `file`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "build: unexpected argument %q: the build is described by -config\n", flags.Arg(0))
		return 2
	}
	if err := build(ctx, *config, *output, stdout); err != nil {
		fmt.Fprintf(stderr, "build: %v\n", err)
		return 1
	}
	return 0
}

// build makes the binary output from the file config and reports on it.
func build(ctx context.Context, config, output string, stdout io.Writer) error {
	builder, err := load(config)
	if err != nil {
		return err
	}
	if err := stayLocal(ctx, builder.Replacements); err != nil {
		return err
	}
	if err := builder.Build(ctx, output); err != nil {
		return fmt.Errorf("building %s (the steps above say where it stopped): %w", output, err)
	}
	if builder.SkipBuild {
		return nil
	}
	if foreign(builder.Platform) {
		fmt.Fprintf(stdout, "%s is built for another platform; its modules cannot be listed here\n", output)
		return nil
	}
	return report(ctx, output, stdout)
}

// report prints where the binary is and which fault modules it contains.
func report(ctx context.Context, binary string, stdout io.Writer) error {
	path, err := filepath.Abs(binary) // a bare name would be looked up in PATH
	if err != nil {
		return err
	}
	listing, err := exec.CommandContext(ctx, path, "list-modules").Output()
	if err != nil {
		return fmt.Errorf("listing the modules of %s: %w", path, err)
	}
	var ours []string
	for line := range strings.Lines(string(listing)) {
		if strings.Contains(line, "fault") {
			ours = append(ours, strings.TrimSpace(line))
		}
	}
	if len(ours) == 0 {
		return fmt.Errorf("%s has no fault module: does the configuration's \"plugins\" name the package caddymodule?", path)
	}
	fmt.Fprintf(stdout, "%s\n  %s\n", path, strings.Join(ours, "\n  "))
	return nil
}

// foreign tells whether a binary for this platform cannot run here.
func foreign(p xcaddy.Platform) bool {
	return p.OS != "" && p.OS != runtime.GOOS || p.Arch != "" && p.Arch != runtime.GOARCH
}

// binaryName is the default of -output, which xcaddy has too.
func binaryName() string {
	if runtime.GOOS == "windows" {
		return "caddy.exe"
	}
	return "caddy"
}
