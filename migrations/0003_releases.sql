CREATE TABLE `releases` (
	`rank` integer PRIMARY KEY NOT NULL,
	`manifest` text NOT NULL,
	`signature` text NOT NULL,
	`published_at` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `gateways` ADD `release_told` integer DEFAULT 0 NOT NULL;