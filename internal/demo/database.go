package demo

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/examples/oikion"
	"github.com/oikion/orgcast/internal/cluster"
)

//go:embed rows.sql
var moreRows string

// makeDatabase makes the application's role and database, and some rows.
func makeDatabase(ctx context.Context, pg *cluster.Cluster, application string) error {
	own, err := pgx.ParseConfig(application)
	if err != nil {
		return fmt.Errorf("make demo database: %w", err)
	}
	super, err := pgx.Connect(ctx, pg.URL("postgres"))
	if err != nil {
		return fmt.Errorf("make demo database: %w", err)
	}
	defer super.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{
		"CREATE ROLE oikion LOGIN PASSWORD '" + own.Password + "'", // letters and digits
		"CREATE DATABASE oikion OWNER oikion",
	} {
		if _, err := super.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make demo database: %w", err)
		}
	}
	// public belongs to the database's owner from PostgreSQL 15 on; before,
	// everybody may create in it.
	conn, err := pgx.ConnectConfig(ctx, own)
	if err != nil {
		return fmt.Errorf("fill demo database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{oikion.Schema, oikion.Demo, moreRows} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("fill demo database: %w", err)
		}
	}
	return nil
}
