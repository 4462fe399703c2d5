ALTER TABLE `cloud_accounts` ADD `sharing` text DEFAULT '"tenant"' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `projects_by_name` ON `projects` (`tenant_id`,`name`);