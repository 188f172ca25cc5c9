package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/pipeline/deferral"
	"sluice/pipeline/state"
)

func deferredWithdrawCommand(sh *shell) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "withdraw RECALL",
		Short: "Take a recall back: what it has not dropped yet is delivered after all",
		Long: `Take back a recall that sluice deferred cancel made: the events that it has not dropped
yet are delivered at their time after all. Those that woke or were due meanwhile are
gone. sluice deferred ls shows the recalls of a stream; four characters or more of the
beginning or end of the id are enough when they fit only one.`,
		Example: `  sluice deferred withdraw 01JD5ZC3W8F9N3V0Y5B6Q7R8ST
  sluice deferred withdraw R8ST --by ada -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.withdrawRecall(cmd.Context(), args[0], by)
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "who asks, for the audit: `NAME`; by default the user and host")
	return cmd
}

// withdrawn is the result of deferred withdraw.
type withdrawn struct {
	Recall deferral.Recall `json:"recall"`
}

func (sh *shell) withdrawRecall(ctx context.Context, text, by string) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	if by == "" {
		by = whoAmI()
	}
	var result withdrawn
	err = sh.withState(ctx, cfg, func(ctx context.Context, store *state.Store) error {
		recall, err := recallOf(store, text)
		// One that cannot be read is in no list, but can be named in full.
		id := strings.ToUpper(strings.TrimSpace(text))
		if err == nil {
			id = recall.ID
		}
		known, fault := deferral.Withdraw(ctx, store, id, by)
		if fault != nil || known {
			recall.ID = id
			result.Recall = recall
			return fault
		}
		if err == nil {
			err = fmt.Errorf("recall %s is withdrawn already", id)
		}
		return err
	})
	if err != nil {
		return err
	}
	return sh.answer(result, result.text)
}

// recallOf finds the recall whose id begins or ends so.
func recallOf(store *state.Store, text string) (deferral.Recall, error) {
	recalls, unread := deferral.List(store)
	ids := make([]string, len(recalls))
	for i, r := range recalls {
		ids[i] = r.ID
	}
	at, err := matching(ids, text, listed{"recall", "sluice deferred ls STREAM"})
	if err != nil {
		if unread != nil {
			err = fmt.Errorf("%w; some cannot be read: %w", err, unread)
		}
		return deferral.Recall{}, err
	}
	return recalls[at], nil
}

func (r withdrawn) text(w io.Writer) {
	_, _ = fmt.Fprintf(w, "recall %s is withdrawn", r.Recall.ID)
	if r.Recall.Stream != "" {
		_, _ = fmt.Fprintf(w, ": what it has not dropped yet of %s%s is delivered at its time\n", r.Recall.Stream, chosenBy(r.Recall.User, r.Recall.Rule))
		_, _ = fmt.Fprintf(w, "what there is: sluice deferred ls %s%s\n", shellWord(r.Recall.Stream), choosing(r.Recall.User, r.Recall.Rule))
		return
	}
	_, _ = fmt.Fprintln(w)
}
