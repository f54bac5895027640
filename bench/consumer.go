//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/oikion/orgcast"
)

// consumer writes small transactions that nobody reads meanwhile, and has each of
// three readers go through the same WAL, from a slot of its own, one after the
// other: pg_recvlogical, which throws it away; the reading, decoding and routing of
// orgcast, of which nothing is kept; and orgcast as it is served, with its log.
func consumer(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	transactions := flags.Int("transactions", 100_000, "transactions of a round, of one INSERT and one UPDATE each")
	rounds := flags.Int("rounds", 3, "rounds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	h, err := newHouse(ctx, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	h.looks = 250 * time.Millisecond          // each is CPU of the server's
	if _, err := h.started(ctx); err != nil { // makes the slot
		return err
	}
	floor, bare := newPrinter(h), newBareReader(h)
	if err := floor.create(ctx); err != nil {
		return err
	}
	if err := bare.create(ctx); err != nil {
		return err
	}
	if _, err := h.db.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return err
	}
	var without, with []float64
	for round := range *rounds {
		// A start that finds nothing to read: what it takes is not the reading's.
		start, err := h.started(ctx)
		if err != nil {
			return err
		}
		end, err := writeSmall(ctx, h, round, *transactions)
		if err != nil {
			return err
		}
		f, err := floor.discard(ctx, end)
		if err != nil {
			return err
		}
		b, err := bare.read(ctx, end)
		if err != nil {
			return err
		}
		served, err := h.started(ctx)
		if err != nil {
			return err
		}
		served -= start
		rows := time.Duration(2 * *transactions)
		fmt.Printf("round %d, %d rows  pg_recvlogical %.2f s = %v a row | without the log %.2f s = %v, %.2f× | with it %.2f s = %v, %.2f×\n",
			round+1, rows, f.Seconds(), f/rows, b.Seconds(), b/rows, ratio(b, f), served.Seconds(), served/rows, ratio(served, f))
		without, with = append(without, ratio(b, f)), append(with, ratio(served, f))
	}
	slices.Sort(without)
	slices.Sort(with)
	fmt.Printf("\nCPU, median of the rounds' ratios to pg_recvlogical: %.2f× without the log, %.2f× with it\n", without[len(without)/2], with[len(with)/2])
	return nil
}

// writeSmall writes a round's transactions and a last one. It returns an LSN
// between them and that.
func writeSmall(ctx context.Context, h *house, round, transactions int) (end orgcast.LSN, err error) {
	if _, err := h.db.PgConn().Exec(ctx, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ('round_%d_' || i, 100000 + i, 'a house by the sea, number ' || i, 'org_1', 'user_1', 'HOUSE', 'AVAILABLE', 'SALE');
		UPDATE properties SET price = price + 1 WHERE id = 'round_%[2]d_' || i;
		COMMIT; END LOOP; END $$`, transactions, round)).ReadAll(); err != nil {
		return 0, err
	}
	var text string
	if err := h.db.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		return 0, err
	}
	// Its commit is flushed, and so is all before it.
	if _, err := h.db.PgConn().Exec(ctx, `BEGIN; SET LOCAL synchronous_commit = on; UPDATE properties SET price = price + 1 WHERE id = 'property_1'; COMMIT`).ReadAll(); err != nil {
		return 0, err
	}
	return orgcast.ParseLSN(text)
}

// started starts the server, waits until it has read all that there is, and ends it.
// It returns what CPU that took.
func (h *house) started(ctx context.Context) (time.Duration, error) {
	if err := h.serve(ctx, nil); err != nil {
		return 0, err
	}
	used, err := h.server.usage()
	return used.cpu, errors.Join(err, h.halt())
}
