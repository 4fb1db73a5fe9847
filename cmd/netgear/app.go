package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/levenshtein"
)

// The statuses with which the program exits.
const (
	exitOK      = 0 // success, and an end by SIGINT, SIGTERM or SIGHUP
	exitFailure = 1
	exitUsage   = 2 // a mistake in the flags, the environment or the file
)

const long = `netgear sends, receives, displays, records and passes on video on the wires of
VidGear's NetGear and NetGear_Async and of imagezmq.`

const precedence = `Every flag can also be set by a variable of the environment, NETGEAR_ and its
name (NETGEAR_PORT, NETGEAR_LOG_LEVEL), and in a settings file in TOML
(--config FILE or NETGEAR_CONFIG). A flag counts more than the environment, and
the environment more than the file. Secrets have no flag: they come from the
environment or the file (NETGEAR_SSH_PASSWORD, ssh-password).

Exit status: 0 after success and after SIGINT, SIGTERM or SIGHUP, 1 after a
failure, 2 for a mistake in flags, environment or file.`

// app is what the commands share.
type app struct {
	file    *settings.File
	logger  *slog.Logger
	started bool // a command runs: its flags are correct
}

// execute runs the program and returns the status with which it exits.
func execute(ctx context.Context, args []string) int {
	a := &app{logger: slog.New(slog.DiscardHandler)}
	root := a.root()
	root.SetArgs(args)
	root.InitDefaultCompletionCmd(args...)
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // cobra's shows its help for an unknown shell, with success
			c.Args, c.RunE = unknownCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	command, err := root.ExecuteContextC(ctx)
	if err == nil && stdout.err != nil {
		return failed(command.CommandPath(), stdout.err, true)
	}
	if unlessEnded(ctx, err) == nil {
		return exitOK
	}
	return failed(command.CommandPath(), settings.Reword(err), a.started)
}

// unlessEnded returns an error of a command, or nil if a signal has ended the
// command and the error is that end.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, netgear.ErrClosed)) {
		return nil
	}
	return err
}

// failed prints an error of a command, and returns the status for it.
func failed(command string, err error, started bool) int {
	var wrong *settings.WrongError
	usage := !started || errors.As(err, &wrong)
	if _, ok := errors.AsType[*reportedError](err); !ok {
		fmt.Fprintf(live.Stderr, "%s: %s\n", command, unprefixed(err.Error(), command))
		if usage {
			fmt.Fprintf(live.Stderr, "%s --help lists the flags.\n", command)
		}
	}
	if usage {
		return exitUsage
	}
	return exitFailure
}

// unprefixed returns the text of an error without the names of packages that the
// command's begins with: netgear, and record of the command of that name.
func unprefixed(text, command string) string {
	text = strings.TrimPrefix(text, command[strings.LastIndex(command, " ")+1:]+": ")
	text = strings.TrimPrefix(text, "netgear: ")
	return strings.ReplaceAll(strings.ReplaceAll(text, ": netgear: ", ": "), "\nnetgear: ", "\n")
}

// stdout is where commands print their results. The commands that print lines
// for as long as they run use live.Stdout instead, and end with its errors.
var stdout printer

// printer writes to live.Stdout, and keeps the first error for the end of the
// command: on a full disk, what was printed is not there.
type printer struct{ err error }

func (p *printer) Write(b []byte) (int, error) {
	if p.err == nil {
		_, p.err = live.Stdout.Write(b)
	}
	return len(b), nil
}

// reportedError is a failure that the command's output has described.
type reportedError struct{ text string }

func (e *reportedError) Error() string { return e.text }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "netgear", Short: "Video on the wire of VidGear's NetGear", Long: long + "\n\n" + precedence,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		PersistentPreRunE: a.prepare,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args:              unknownCommand,
	}
	root.PersistentFlags().String("config", "", "read settings from this `FILE` (TOML)")
	root.PersistentFlags().String("log-level", "warn", "log from this `LEVEL` on: debug, info, warn or error")
	root.PersistentFlags().String("log-format", "text", "log as `FORMAT`: text or json")
	complete(root, "log-level", "debug", "info", "warn", "error")
	complete(root, "log-format", "text", "json")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
	root.SetUsageTemplate(usageTemplate)
	root.SetOut(&stdout)
	root.AddGroup(&cobra.Group{ID: "ends", Title: "Commands:"}, &cobra.Group{ID: "tools", Title: "Tools:"})
	for _, command := range a.commands() {
		root.AddCommand(command)
	}
	root.SetHelpCommand(helpCommand())
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	root.Version = version()
	return root
}

// commands returns the subcommands, in the order of the help.
func (a *app) commands() []*cobra.Command {
	commands := []*cobra.Command{a.send(), a.receive(), a.view(), a.record(), a.play(), a.relay(), a.bridge(), a.top()}
	for _, c := range commands {
		c.GroupID = "ends"
	}
	for _, c := range []*cobra.Command{a.doctor(), a.keys()} {
		c.GroupID = "tools"
		commands = append(commands, c)
	}
	return commands
}

// prepare reads the settings file and the environment, before a command runs.
func (a *app) prepare(cmd *cobra.Command, _ []string) error {
	fs := cmd.Flags()
	var err error
	if a.file, err = settings.ReadFile(fs); err != nil {
		return err
	}
	if err := a.checkFile(cmd.Root()); err != nil {
		return err
	}
	if err := checkEnvironment(cmd.Root()); err != nil {
		return err
	}
	if err := settings.Fill(fs, a.file, cmd.Name()); err != nil {
		return err
	}
	if a.logger, err = newLogger(live.Stderr, fs); err != nil {
		return err
	}
	a.started = true
	return nil
}

// checkFile refuses keys of the settings file that no command has.
func (a *app) checkFile(root *cobra.Command) error {
	common := []string{"log-level", "log-format", "input", "output"}
	for _, c := range settings.Connections {
		common = append(common, c.Name)
	}
	commands := map[string][]string{}
	for _, cmd := range root.Commands() {
		var own []string
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { own = append(own, f.Name) })
		commands[cmd.Name()] = append(own, secretKeys[cmd.Name()]...)
	}
	return a.file.Check(common, commands)
}

// checkEnvironment refuses a variable whose name is like that of a setting.
// Others may belong to another program, for instance to a container system that
// describes a service called netgear.
func checkEnvironment(root *cobra.Command) error {
	var known []string
	add := func(f *pflag.Flag) { known = append(known, settings.Variable(f.Name)) }
	root.PersistentFlags().VisitAll(add)
	for _, c := range settings.Connections {
		known = append(known, settings.Variable(c.Name))
	}
	for _, cmd := range root.Commands() {
		cmd.LocalNonPersistentFlags().VisitAll(add)
		for _, key := range secretKeys[cmd.Name()] {
			known = append(known, settings.Variable(key))
		}
	}
	return settings.CheckEnvironment(os.Environ(), known)
}

// secretKeys are the keys of commands that have no flag.
var secretKeys = map[string][]string{"view": {"password", "token"}, "bridge": {"nats-password", "nats-token"}}

// secret returns a secret of a command, from the environment or the file.
func (a *app) secret(cmd *cobra.Command, name string) (string, error) {
	text, ok := os.LookupEnv(settings.Variable(name))
	if ok && text == "" { // it would disable the authentication that the file asks for
		return "", settings.Wrong("%s is empty: unset it, or give it a value", settings.Variable(name))
	}
	if ok {
		return text, nil
	}
	text, _, err := a.file.Value(cmd.Name(), name)
	return text, err
}

func newLogger(w io.Writer, fs *pflag.FlagSet) (*slog.Logger, error) {
	var level slog.Level
	text, _ := fs.GetString("log-level")
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return nil, settings.Wrong("--log-level %s: must be debug, info, warn or error", text)
	}
	options := &slog.HandlerOptions{Level: level}
	switch format, _ := fs.GetString("log-format"); format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	default:
		return nil, settings.Wrong("--log-format %s: must be text or json", format)
	}
}

// flagError returns an error of the flags' parser without the command line,
// which may contain a password. A flag that is mistyped gets a suggestion.
func flagError(cmd *cobra.Command, err error) error {
	if bad := settings.BadValue(err); bad != nil {
		return bad
	}
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := levenshtein.Near(name, known); near != "" {
			return settings.Wrong("%s; did you mean --%s?", text, near)
		}
	}
	if before, rest, ok := strings.Cut(text, " in -"); ok {
		if name, _, _ := strings.Cut(rest, "="); len(name) > 1 && !strings.ContainsAny(name, `{"' `) {
			before = fmt.Sprintf("%s; flags have two dashes, such as --port", before)
		}
		return settings.Wrong("%s", before)
	}
	return &settings.WrongError{Err: err}
}

// noArguments refuses arguments without quoting them: a shell may have split
// one from an --options with a password.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return settings.Wrong("unexpected argument: everything is a flag")
	}
	return nil
}

// unknownCommand returns an error for an argument that is no command.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := "unknown command"
	if len(os.Args) > 1 && args[0] == os.Args[1] { // not a part of a flag, which may have a password
		text = fmt.Sprintf("unknown command %.40q", args[0])
	}
	near := cmd.SuggestionsFor(args[0])
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && abbreviates(args[0], c.Name()) && !slices.Contains(near, c.Name()) {
			near = append(near, c.Name())
		}
	}
	if len(near) > 0 {
		return settings.Wrong("%s; did you mean %s?", text, strings.Join(near, " or "))
	}
	return settings.Wrong("%s", text)
}

// abbreviates reports whether a word is a name with letters left out, such as
// recv for receive.
func abbreviates(word, name string) bool {
	if len(word) < 2 || word[0] != name[0] {
		return false
	}
	for _, letter := range []byte(name) {
		if word != "" && word[0] == letter {
			word = word[1:]
		}
	}
	return word == ""
}

// helpCommand returns cobra's help command, but with an error for a command that
// does not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command", GroupID: "tools",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || topic == nil || topic == cmd.Root() && len(args) > 0 {
				return unknownCommand(cmd.Root(), args)
			}
			if len(rest) > 0 && topic.HasSubCommands() {
				return unknownCommand(topic, rest)
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// complete sets the values that a shell completes for a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // no such flag
	}
}

// addConnection adds the flags of a connection to a command.
func addConnection(cmd *cobra.Command) {
	settings.AddConnection(cmd.Flags())
	for _, c := range settings.Connections {
		if c.Words != nil {
			complete(cmd, c.Name, c.Words...)
		}
	}
}

// options returns the options of a command's end. defaults has those that the
// command sets.
func (a *app) options(cmd *cobra.Command, defaults netgear.Options) (netgear.Options, error) {
	layers, err := settings.Layers(cmd.Flags(), a.file, cmd.Name())
	if err != nil {
		return defaults, err
	}
	defaults.Logger = a.logger
	return settings.Resolve(defaults, layers...)
}
