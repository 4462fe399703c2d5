ALTER TABLE `clusters` ADD `kind` text DEFAULT 'workload' NOT NULL;--> statement-breakpoint
ALTER TABLE `gateways` ADD `deleting_at` integer;