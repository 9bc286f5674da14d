package plan

import "time"

// Programs runs commands.
type Programs interface {
	// Find returns an error if there is no program of this name.
	Find(name string) error

	Start(command []string) (Program, error)
}

// Program is a command that runs, with all processes that it has started.
type Program interface {
	// Ended is closed once the command has ended.
	Ended() <-chan struct{}

	// Code is the exit code of a command that has ended.
	Code() int

	// Stop ends the command: it may end itself within a time, and then is killed.
	Stop(within time.Duration)
}

// stopGrace is how long a command may take to end itself.
const stopGrace = 5 * time.Second

// job is a command of the plan or of a stage.
type job struct {
	program Program
	result  *CommandResult
	began   time.Time
	stage   *StageResult // nil: beside all stages
	ended   bool
}

// start starts commands. What has started before an error still runs.
func (u *run) start(runs []*Run, stage *StageResult) (results []*CommandResult, end *ending) {
	for _, r := range runs {
		result := &CommandResult{Name: r.name()}
		results = append(results, result)
		program, err := u.Programs.Start(r.Command)
		if err != nil {
			result.Error = err.Error()
			return results, &ending{CodeError, Broken, "the command '" + result.Name + "' cannot start: " + err.Error()}
		}
		j := &job{program: program, result: result, began: time.Now(), stage: stage}
		u.jobs = append(u.jobs, j)
		u.group.Go(func() {
			<-program.Ended()
			u.tell(func() { u.hasEnded(j) })
		})
	}
	return results, nil
}

// hasEnded records the end of a command that the plan has not ended. People should see it
// before the stage ends if it was the load.
func (u *run) hasEnded(j *job) {
	if j.end(false); j.stage == nil {
		u.log("  %s run %s: exit code %d", mark(!j.result.failed()), j.result.Name, j.result.Code)
	}
}

func mark(good bool) string {
	if good {
		return "✓"
	}
	return "✗"
}

// end records the end of the command once.
func (j *job) end(byPlan bool) {
	if !j.ended {
		j.ended = true
		j.result.Code, j.result.ByPlan, j.result.Seconds = j.program.Code(), byPlan, time.Since(j.began).Seconds()
	}
}

// name returns the name of the command, by default its first words.
func (r *Run) name() string {
	if r.As != "" {
		return r.As
	}
	return cut(joined(r.Command))
}

// running reports whether commands of a stage run, or any command if stage is nil.
func (u *run) running(stage *StageResult) bool {
	for _, j := range u.jobs {
		if !j.ended && (stage == nil || j.stage == stage) {
			return true
		}
	}
	return false
}

// stop ends the commands of a stage, or all if stage is nil.
func (u *run) stop(stage *StageResult) {
	done := make(chan struct{}, len(u.jobs))
	stopped := 0
	for _, j := range u.jobs {
		if j.ended || stage != nil && j.stage != stage {
			continue
		}
		select {
		case <-j.program.Ended(): // the plan did not end it
			j.end(false)
			continue
		default:
		}
		stopped++
		go func() {
			j.program.Stop(stopGrace)
			done <- struct{}{}
		}()
	}
	for range stopped {
		<-done
	}
	for _, j := range u.jobs {
		if stage == nil || j.stage == stage {
			j.end(true)
		}
	}
}
