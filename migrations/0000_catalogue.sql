CREATE TABLE `api_keys` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`role` text NOT NULL,
	`hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_by_hash` ON `api_keys` (`hash`);--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_by_name` ON `api_keys` (`project_id`,`name`) WHERE revoked_at is null;--> statement-breakpoint
CREATE INDEX `api_keys_by_age` ON `api_keys` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `cloud_accounts` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`gateway_id` text NOT NULL,
	`access` text NOT NULL,
	`facts` text NOT NULL,
	`key_version` integer NOT NULL,
	`validated_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`gateway_id`) REFERENCES `gateways`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `cloud_accounts_by_name` ON `cloud_accounts` (`project_id`,`name`);--> statement-breakpoint
CREATE INDEX `cloud_accounts_by_age` ON `cloud_accounts` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `cluster_profiles` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`version` text NOT NULL,
	`profile` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `cluster_profiles_by_version` ON `cluster_profiles` (`project_id`,`name`,`version`);--> statement-breakpoint
CREATE INDEX `cluster_profiles_by_age` ON `cluster_profiles` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `clusters` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`tags` text NOT NULL,
	`phase` text NOT NULL,
	`gateway_id` text NOT NULL,
	`account_id` text NOT NULL,
	`profile_id` text NOT NULL,
	`account_version` integer NOT NULL,
	`machines_ready` integer NOT NULL,
	`machines_wanted` integer NOT NULL,
	`created_at` integer NOT NULL,
	`provisioned_at` integer,
	`updated_at` integer NOT NULL,
	`deleted_at` integer,
	`wake_at` integer,
	`creation` text,
	`creation_key` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `clusters_by_name` ON `clusters` (`project_id`,`name`);--> statement-breakpoint
CREATE INDEX `clusters_by_age` ON `clusters` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `clusters_by_account` ON `clusters` (`account_id`,`phase`);--> statement-breakpoint
CREATE INDEX `clusters_by_gateway` ON `clusters` (`gateway_id`,`phase`);--> statement-breakpoint
CREATE INDEX `clusters_by_profile` ON `clusters` (`profile_id`,`phase`);--> statement-breakpoint
CREATE INDEX `clusters_by_wake` ON `clusters` (`wake_at`) WHERE wake_at is not null;--> statement-breakpoint
CREATE INDEX `clusters_unfinished` ON `clusters` (`created_at`) WHERE creation is not null;--> statement-breakpoint
CREATE TABLE `gateways` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`code_hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `gateways_by_name` ON `gateways` (`project_id`,`name`) WHERE deleted_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX `gateways_by_code` ON `gateways` (`code_hash`);--> statement-breakpoint
CREATE INDEX `gateways_by_age` ON `gateways` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`api_key_id` text NOT NULL,
	`key_hash` text NOT NULL,
	`request_hash` text NOT NULL,
	`answer` text,
	`locked_until` integer NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`api_key_id`, `key_hash`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_by_end` ON `idempotency_keys` (`expires_at`);--> statement-breakpoint
CREATE TABLE `projects` (
	`project_id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`name` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`tenant_id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `public_tries` (
	`source` text NOT NULL,
	`minute` integer NOT NULL,
	`tries` integer NOT NULL,
	PRIMARY KEY(`source`, `minute`)
);
--> statement-breakpoint
CREATE INDEX `public_tries_by_minute` ON `public_tries` (`minute`);--> statement-breakpoint
CREATE TABLE `tenants` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`created_at` integer NOT NULL
);
